/* Supply of the digital part and PLL. Both are set over an internal bus that the Technical Reference Manual does not
 * describe: the values and their order are those of ESP-IDF (esp_hw_support/port/esp32c3/rtc_clk.c and rtc_init.c, and
 * clk_tree_ll.h), the accesses those that it makes too: functions of the ROM at fixed addresses
 * (esp_hal_regi2c/esp32c3/rom.regi2c.ld). */
#include "esp32c3.h"
#include "registers.h"

typedef void (*rom_write)(uint8_t block, uint8_t host, uint8_t address, uint8_t value);
typedef void (*rom_write_bits)(uint8_t block, uint8_t host, uint8_t address, uint8_t last, uint8_t first,
                               uint8_t value);
#define ROM_WRITE 0x4000195Cu
#define ROM_WRITE_BITS 0x40001960u

#define HOST 0u
#define BLOCK_PLL 0x66u    /* IDF include/soc/regi2c_bbpll.h */
#define BLOCK_SUPPLY 0x6Du /* IDF include/soc/regi2c_dig_reg.h */

/* Supply of core and RTC. IDF takes code 28 where the eFuses know no better, and else what the chip was measured to
 * need for 160 MHz, plus 4; here that is taken where it is more. */
#define SUPPLY_LEAST 28u
#define SUPPLY_MOST 31u
#define SUPPLY_MARGIN 4u
#define SUPPLY_RTC 4u
#define SUPPLY_DIGITAL 6u
#define SUPPLY_SWITCHES 13u
#define SUPPLY_SWITCH_RTC 2u
#define SUPPLY_SWITCH_DIGITAL 3u

typedef struct {
    uint8_t address;
    uint8_t last; /* Bits last:first take the value. */
    uint8_t first;
    uint8_t value;
} analog_field;

/* 480 MHz from the 40 MHz crystal. */
static const analog_field pll_480mhz[] = {
    {4, 7, 0, 0x6B}, /* MODE_HF */
    {2, 7, 0, 0x50}, /* OC_DCHGP 5, OC_REF_DIV 0 */
    {3, 7, 0, 8},    /* OC_DIV */
    {5, 2, 0, 0},    /* OC_DR1 */
    {5, 6, 4, 0},    /* OC_DR3 */
    {6, 7, 0, 0x93}, /* OC_DLREF_SEL 2, OC_DHREF_SEL 1, OC_DCUR 3 */
    {9, 1, 0, 2},    /* OC_VCO_DBIAS */
    {6, 5, 4, 2},    /* OC_DHREF_SEL */
    {6, 7, 6, 1},    /* OC_DLREF_SEL */
};

static void write_fields(uint8_t block, const analog_field *fields, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const analog_field *field = &fields[i];
        if (field->last == 7u && field->first == 0u) {
            ((rom_write)ROM_WRITE)(block, HOST, field->address, field->value);
        } else {
            ((rom_write_bits)ROM_WRITE_BITS)(block, HOST, field->address, field->last, field->first, field->value);
        }
    }
}

static uint8_t supply_code(void) {
    const uint32_t measured = (EFUSE_RD_MAC_SPI_SYS_5 >> EFUSE_RD_MAC_SPI_SYS_5_DIG_DBIAS_HVT_SHIFT) &
                              EFUSE_RD_MAC_SPI_SYS_5_DIG_DBIAS_HVT_MASK;
    const uint32_t code = measured + SUPPLY_MARGIN;
    return (uint8_t)(code < SUPPLY_LEAST ? SUPPLY_LEAST : (code > SUPPLY_MOST ? SUPPLY_MOST : code));
}

static void raise_supply(void) {
    const uint8_t code = supply_code();
    const analog_field supply[] = {
        {SUPPLY_SWITCHES, SUPPLY_SWITCH_DIGITAL, SUPPLY_SWITCH_DIGITAL, 0},
        {SUPPLY_SWITCHES, SUPPLY_SWITCH_RTC, SUPPLY_SWITCH_RTC, 0},
        {SUPPLY_RTC, 4, 0, code},
        {SUPPLY_DIGITAL, 4, 0, code},
    };
    write_fields(BLOCK_SUPPLY, supply, sizeof supply / sizeof supply[0]);
}

void esp32c3_analog_start_pll(void) {
    I2C_MST_ANA_CONFIG |= I2C_MST_ANA_CONFIG_ALL;
    I2C_MST_ANA_CONFIG &= ~I2C_MST_ANA_CONFIG_BBPLL;
    raise_supply();
    RTC_CNTL_OPTIONS0 &=
        ~(RTC_CNTL_OPTIONS0_BB_I2C_FORCE_PD | RTC_CNTL_OPTIONS0_BBPLL_I2C_FORCE_PD | RTC_CNTL_OPTIONS0_BBPLL_FORCE_PD);
    SYSTEM_CPU_PER_CONF |= SYSTEM_CPU_PER_CONF_PLL_480MHZ;
    I2C_MST_ANA_CONF0 &= ~I2C_MST_ANA_CONF0_BBPLL_STOP_FORCE_HIGH; /* Lets it calibrate itself. */
    I2C_MST_ANA_CONF0 |= I2C_MST_ANA_CONF0_BBPLL_STOP_FORCE_LOW;
    write_fields(BLOCK_PLL, pll_480mhz, sizeof pll_480mhz / sizeof pll_480mhz[0]);
}

void esp32c3_analog_stop_pll(void) {
    RTC_CNTL_OPTIONS0 |=
        RTC_CNTL_OPTIONS0_BB_I2C_FORCE_PD | RTC_CNTL_OPTIONS0_BBPLL_I2C_FORCE_PD | RTC_CNTL_OPTIONS0_BBPLL_FORCE_PD;
}
