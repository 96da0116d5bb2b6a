// Runs a flash image in rp2040js from its reset vector, UART0 on standard input and output.
//
// node rp2040js_driver.mjs PACKAGE IMAGE: PACKAGE is the folder of the npm package, IMAGE the bytes from 0x10000000 on.
// The boot ROM and the second stage are passed over (no boot ROM is at hand): stack pointer and entry come from the
// vector table behind the second stage. Core 1 is not there.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const VECTORS = 0x10000100;
const CLOCK_HZ = 133000000;
const INSTRUCTIONS_PER_TURN = 200000;

const [folder, imagePath] = process.argv.slice(2);
const entry = (name) => import(pathToFileURL(join(folder, 'dist', 'esm', name)).href);
const { RP2040 } = await entry('rp2040.js');
const { SimulationClock } = await entry('clock/simulation-clock.js');
const { ConsoleLogger, LogLevel } = await entry('utils/logging.js');

const clock = new SimulationClock();
const chip = new RP2040(clock);
chip.logger = new ConsoleLogger(LogLevel.Error, false);
const image = readFileSync(imagePath);
chip.flash.set(image);
chip.core.VTOR = VECTORS;
chip.core.SP = image.readUInt32LE(0x100);
chip.core.PC = image.readUInt32LE(0x104) & ~1;

const waiting = [];
const uart = chip.uart[0];
let sent = [];
uart.onByte = (byte) => sent.push(byte);
process.stdin.on('data', (chunk) => waiting.push(...chunk));
process.stdin.on('end', () => process.exit(0));

function turn() {
    for (let count = 0; count < INSTRUCTIONS_PER_TURN; count++) {
        if (waiting.length > 0 && uart.rxFIFO.empty) {
            for (const byte of waiting.splice(0, 32)) {
                uart.feedByte(byte);
            }
        }
        clock.tick((chip.core.executeInstruction() * 1e9) / CLOCK_HZ);
    }
    if (sent.length > 0) {
        process.stdout.write(Buffer.from(sent));
        sent = [];
    }
    setImmediate(turn);
}

turn();
