"""Notices when a processor of this computer runs nobody of us for a while: then a path looks dead whose far end only
waits, and what it carries is lost. A test that counts what is lost asks whether that was so.

   pauses = Pauses(); …; assert not lost or pauses.since(began)"""
import os
import threading
import time

LOOK_S = 0.05
PAUSE_S = 0.4 # less than what any part of ours takes for dead


class Pauses:
    """From when it is made, to the end of the program."""

    def __init__(self):
        self.ends = [] # when each pause ended, by time.time()
        for processor in os.sched_getaffinity(0):
            threading.Thread(target=self._watch, args=(processor,), daemon=True).start()

    def _watch(self, processor):
        os.sched_setaffinity(threading.get_native_id(), {processor})
        last = time.monotonic()
        while True:
            time.sleep(LOOK_S)
            now = time.monotonic()
            if now - last > LOOK_S + PAUSE_S:
                self.ends.append(time.time())
            last = now

    def since(self, moment):
        """How many have ended since then; it is told, too."""
        count = sum(end > moment for end in list(self.ends))
        if count:
            print(f"# {count} pauses of the computer", flush=True)
        return count
