#pragma once

#include <string>

namespace ringattn::gpu {

// Why this program cannot use a GPU, as "no CUDA device"; empty where it can
std::string why_no_device();

// That this machine has
int devices_here();

// Everything that follows happens on that one, counted from 0
void use_device(int device);

// As its maker calls it
std::string device_name();

}  // namespace ringattn::gpu
