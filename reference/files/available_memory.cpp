#include "reference/files/available_memory.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "reference/definition/input/bad_input.h"

namespace ringattn {

double available_memory() {
  const double physical =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGE_SIZE));
#ifdef __EMSCRIPTEN__
  return physical;  // a page in a browser has no files
#else
  // The limit of the control group of a container: a number of bytes, or "max"
  std::ifstream limit("/sys/fs/cgroup/memory.max");
  double bytes = 0;
  return limit >> bytes ? std::min(bytes, physical) : physical;
#endif
}

void require_memory(const std::string& error_prefix, double bytes, const std::string& what,
                    const std::string& what_to_do) {
  const auto gigabytes = [](double count) { return std::ceil(count / 1e8) / 10; };
  const double available = available_memory();
  require(bytes < available, error_prefix, what, " must fit into memory; it takes about ", gigabytes(bytes),
          " GB, and this machine has ", gigabytes(available), " GB; ", what_to_do);
}

}  // namespace ringattn
