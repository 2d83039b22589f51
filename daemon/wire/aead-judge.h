/* daemon/wire/aead-judge.h: whether an engine is right on this machine, and how fast. Internal to
 * the table and the benchmark; one thread at a time. */
#pragma once

#include "daemon/wire/aead.h"

/** wire_aead_judge_is_sound: seals and opens as @reference does on text of all kinds of lengths,
 * and refuses what was changed. The reference itself has to give a known answer. Some 100 µs. */
bool wire_aead_judge_is_sound(const WireAead *engine, const WireAead *reference);

/** wire_aead_judge_measure: nanoseconds to seal and open a small packet and a large one, the least
 * of several tries: whoever is interrupted is not slow. Some 100 µs. */
uint64_t wire_aead_judge_measure(const WireAead *engine);
