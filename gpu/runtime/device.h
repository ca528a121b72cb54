#pragma once

#include <string>

namespace ringattn::gpu {

// Why this program cannot use a GPU, as "no CUDA device"; empty where it can
std::string unavailable_reason();

// That this machine has
int device_count();

// Everything that follows happens on that one, counted from 0
void set_device(int device);

// As its maker calls it
std::string device_name();

}  // namespace ringattn::gpu
