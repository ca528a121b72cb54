#include "tests/gpu/emulator/streams.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/gpu/emulator/cuda_runtime.h"

namespace emulator {

struct Event {
  long recorded = 0;  // number of times it was recorded
  long reached = 0;   // number of times a stream reached it
  double time = 0;
};

struct Stream {
  struct Operation {
    std::function<void()> run;
    std::function<bool()> ready;  // null: immediately
    bool waits_for_outside = false;
  };
  std::deque<Operation> queue;

  bool ready() const { return !queue.empty() && (!queue.front().ready || queue.front().ready()); }
  bool waits_for_outside() const { return !queue.empty() && queue.front().waits_for_outside; }
};

namespace {

struct Device {
  int index = 0;
  std::set<Stream*> streams;
  std::mt19937 random{1};
  double milliseconds = 0;
  std::string failure;  // of a kernel, or of the order of streams
} device;

// Does nothing if all streams wait for an external event
void run_some_stream() {
  std::vector<Stream*> ready;
  for (Stream* stream : device.streams)
    if (stream->ready()) ready.push_back(stream);
  if (ready.empty()) {
    for (Stream* stream : device.streams)
      if (stream->waits_for_outside()) return std::this_thread::sleep_for(std::chrono::microseconds(200));
    throw std::runtime_error("[emulator] streams wait for events that are never recorded");
  }
  Stream& stream = *ready[device.random() % ready.size()];
  const Stream::Operation work = std::move(stream.queue.front());
  stream.queue.pop_front();
  if (work.run) work.run();
  device.milliseconds += 0.001;
}

}  // namespace

void enqueue(Stream* stream, std::function<void()> work) {
  if (!stream)
    throw std::runtime_error("[emulator] work needs a stream of its own; found the default stream");
  stream->queue.push_back({std::move(work), {}, false});
}

void enqueue_wait(Stream* stream, std::function<bool()> happened) {
  stream->queue.push_back({{}, std::move(happened), true});
}

void set_seed(unsigned seed) { device.random.seed(seed); }

}  // namespace emulator

using emulator::device;

// ---- Runtime ------------------------------------------------------------------------------

const char* cudaGetErrorString(cudaError_t error) {
  if (error == cudaErrorLaunchFailure) return device.failure.c_str();
  return error == cudaSuccess                 ? "no error"
         : error == cudaErrorMemoryAllocation ? "out of memory"
                                              : "invalid argument";
}
cudaError_t cudaGetDeviceCount(int* count) {
  const char* const devices = std::getenv("EMULATED_DEVICES");
  return *count = devices ? std::atoi(devices) : 1, cudaSuccess;
}
cudaError_t cudaGetDevice(int* index) { return *index = device.index, cudaSuccess; }
cudaError_t cudaSetDevice(int index) {
  int count = 0;
  cudaGetDeviceCount(&count);
  if (index < 0 || index >= count) return cudaErrorInvalidValue;
  return device.index = index, cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  return *properties = {"an emulated device", 9, 0}, cudaSuccess;
}

// Hopper, with so few SMs that persistent thread blocks process more than one tile each, and with a cache too
// small for the keys of all heads
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
      return *value = 3, cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      return *value = 9, cudaSuccess;
    case cudaDevAttrL2CacheSize:
      return *value = 100'000, cudaSuccess;
  }
  return cudaErrorInvalidValue;
}

cudaError_t cudaDeviceSynchronize() {
  for (emulator::Stream* stream : device.streams) cudaStreamSynchronize(stream);
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (!*memory) return cudaErrorMemoryAllocation;
  std::memset(*memory, 0xff, bytes);
  return cudaSuccess;
}

// Waits for all enqueued work, as the real one does
cudaError_t cudaFree(void* memory) {
  cudaDeviceSynchronize();
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  emulator::enqueue(stream, [=] { std::memmove(to, from, bytes); });
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int byte, std::size_t bytes, cudaStream_t stream) {
  emulator::enqueue(stream, [=] { std::memset(memory, byte, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned, int) {
  device.streams.insert(*stream = new emulator::Stream);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  cudaStreamSynchronize(stream);
  device.streams.erase(stream);
  delete stream;
  return cudaSuccess;
}
// After a failure, no enqueued work is executed
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  try {
    if (!stream->queue.empty()) emulator::run_some_stream();
  } catch (const std::exception& error) {
    device.failure = error.what();
    for (emulator::Stream* each : device.streams) each->queue.clear();
    return cudaErrorLaunchFailure;
  }
  return stream->queue.empty() ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  while (true)
    if (const cudaError_t status = cudaStreamQuery(stream); status != cudaErrorNotReady) return status;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const auto reached = [event, until = event->recorded] { return event->reached >= until; };
  stream->queue.push_back({{}, reached, false});
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  *event = new emulator::Event;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  cudaDeviceSynchronize();
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  ++event->recorded;
  emulator::enqueue(stream, [event] { ++event->reached, event->time = device.milliseconds; });
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  for (const emulator::Event* event : {begin, end})
    if (event->recorded == 0 || event->reached < event->recorded) return cudaErrorInvalidValue;
  *milliseconds = static_cast<float>(end->time - begin->time);
  return cudaSuccess;
}
