// operator new, whose n-th request by the plugin fails.  The test's machinery, which
// runs on the same threads, marks itself as exempt (exempt.h).
#pragma once

namespace msys::test {

class FailingNew {
 public:
  // kOnceAnywhere: oneTBB's own requests are among the n.
  enum class Mode { kOnce, kFromThenOn, kOnceAnywhere };

  static void Arm(long n, Mode mode);
  static bool Disarm();  // true: a request has failed

  // Blocks that the plugin has and has not freed.
  static long blocks();
};

}  // namespace msys::test
