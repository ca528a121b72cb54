#pragma once

#include <string>

namespace ringattn::gpu {

// The reason why this program cannot use a GPU, for example "no CUDA device"; empty if it can
std::string unavailable_reason();

// GPUs of this machine
int device_count();

// Makes a GPU current, counted from 0
void set_device(int device);

// The name of the current GPU
std::string device_name();

}  // namespace ringattn::gpu
