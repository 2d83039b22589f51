/* daemon/wire/shards.h: how many shards a plane has unless its options say it. */
#pragma once

/** wire_shards_choose: from now on WirePlaneOptions.shards = 0 means @wish, at most
 * WIRE_MAX_SHARDS; 0: as many as suit this machine, which is found out now. Before the first plane,
 * and before the right to read /proc and /sys is given up. */
void wire_shards_choose(unsigned wish);

/** wire_shards_default: what was chosen; else as many as suit this machine: one for every two CPUs
 * that this process may use, by its mask and by the quota of its control group. Any thread. */
unsigned wire_shards_default(void);

/** wire_shards_quota: CPUs' worth of time that the lines "QUOTA PERIOD" of cpu.max grant, rounded
 * up; 0: no limit, or no such line. For shards.c and its test. */
unsigned wire_shards_quota(const char *text);
