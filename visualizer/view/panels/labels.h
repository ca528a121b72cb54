#pragma once

#include <string>
#include <string_view>

#include "visualizer/model/moment.h"

namespace ringattn::viz {

// The label of a block or result with its owner: "K₃ V₃", "Q₃", "dK₃ dV₃". The same in all panels.
std::string block_label(std::string_view what, int owner);

// The same for rows of several owners: "K₂…₃ V₂…₃"
std::string block_label(std::string_view what, int first, int last);

// A shorter label: "3"
std::string short_label(int owner);

// The tensors that travel, and those that stay: "K V" or "Q"
std::string_view traveling_label(const Recording& recording);
std::string_view stationary_label(const Recording& recording);

// "1.25 µs"; with more digits if times that are less far from one another must differ: "5.2003 µs"
std::string time_text(double nanoseconds, double distance = 1e9);

// "12 B", "3.4 KiB"
std::string bytes_text(double bytes);

// Four significant digits; "−∞", "∞", "NaN"
std::string number_text(double x);

// The same with three digits, for many numbers side by side
std::string short_number(double x);

// Rounded to three decimals, or two from 1 on: the numbers of a matrix
std::string rounded_number(double x);

// Nine digits, which tell all float32 numbers apart
std::string float32_text(double x);

// "45 %"
std::string percent_text(double fraction);

}  // namespace ringattn::viz
