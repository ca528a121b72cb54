#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "gpu/runtime/device.h"

// Runs the tests if there is a device for them
int main(int argc, char** argv) {
  constexpr int skipped = 77;  // CTest's SKIP_RETURN_CODE
  doctest::Context tests(argc, argv);
  if (const std::string found = ringattn::gpu::unavailable_reason(); !found.empty()) {
    std::printf("skipped: %s\n", found.c_str());
    return skipped;
  }
  std::printf("On %s.\n", ringattn::gpu::device_name().c_str());
  return tests.run();
}
