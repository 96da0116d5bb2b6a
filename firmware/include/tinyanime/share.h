/* How the cores of a team divide the work of a call; a core alone does all of it. */
#ifndef TINYANIME_SHARE_H
#define TINYANIME_SHARE_H

#include <stdint.h>

#include "tinyanime/team.h"

/* Indices [begin, end). */
typedef struct {
    uint32_t begin, end;
} ta_share;

/* The calling core's share of `count` things that stay together in runs of `unit` of them; may be empty. A team has one
 * member or TA_CORES: what is divided by that constant takes no division. */
static inline ta_share ta_share_of(uint32_t count, uint32_t unit) {
    if (ta_team_size() == 1u) {
        return (ta_share){0, count};
    }
    const uint32_t units = (count + unit - 1u) / unit, rank = ta_team_rank();
    const uint32_t begin = units * rank / TA_CORES * unit, end = units * (rank + 1u) / TA_CORES * unit;
    return (ta_share){begin, end < count ? end : count};
}

/* The same of the columns of group number `group` of `groups` groups, e.g. of channels. Groups are dealt out whole, one
 * to each core in turn (the other cores' share is empty); those that are left over in the end are divided by columns.
 */
static inline ta_share ta_share_of_group(uint32_t group, uint32_t groups, uint32_t columns) {
    if (ta_team_size() == 1u) {
        return (ta_share){0, columns};
    }
    if (group >= groups - groups % TA_CORES) {
        return ta_share_of(columns, 1);
    }
    return (ta_share){0, group % TA_CORES == ta_team_rank() ? columns : 0u};
}

static inline uint32_t ta_share_count(ta_share share) {
    return share.end - share.begin;
}

#endif
