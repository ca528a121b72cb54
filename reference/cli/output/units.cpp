#include "reference/cli/output/units.h"

#include <fmt/core.h>

namespace ringattn::cli {

std::string bytes_text(double count) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  for (; count >= 1024 && unit < 4; ++unit) count /= 1024;
  return fmt::format("{:.{}f} {}", count, unit == 0 ? 0 : 1, units[unit]);
}

}  // namespace ringattn::cli
