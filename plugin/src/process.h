// What becomes of the plugin when the process forks, or ends while pools work.
//
// Threads: any.
#pragma once

namespace msys::process {

// Once before anything else: from now on forks and exit() are seen.
void Watch();

// Threads are about to be started: a fork from now on has none of them.
void ThreadsStart();

// This process is such a fork.  Mutexes may be locked for ever in it, by threads
// that it does not have; so nothing of the plugin may be used any more.
bool IsFork();

}  // namespace msys::process
