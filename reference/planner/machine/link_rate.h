#pragma once

#include <string>

namespace ringattn::planner {

// The rate of a link in one direction. Makers state bytes per second for links inside a node and bits per second for
// networks, so no rate is a bare number: it is made from one of the two units by name, and read in one of them by name.
class LinkRate {
 public:
  static constexpr LinkRate gigabytes_per_second(double rate) { return LinkRate(1e9 * rate); }
  static constexpr LinkRate gigabits_per_second(double rate) { return LinkRate(1e9 / 8 * rate); }

  constexpr double bytes_per_second() const { return bytes_; }
  constexpr double gigabytes_per_second() const { return bytes_ / 1e9; }
  constexpr double gigabits_per_second() const { return 8 * bytes_ / 1e9; }

  // The part of the rate that messages reach
  constexpr LinkRate times(double efficiency) const { return LinkRate(efficiency * bytes_); }

 private:
  explicit constexpr LinkRate(double bytes) : bytes_(bytes) {}

  double bytes_;
};

// "50GB/s" or "400Gb/s". Throws BadInput for a number without one of the two units
LinkRate parse_link_rate(const std::string& text);

}  // namespace ringattn::planner
