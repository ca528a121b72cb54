#pragma once

#include "gpu/runtime/status.h"

namespace ringattn::gpu {

// A point in the work of a stream. Other streams can wait for it, and its time can be read afterwards.
class CudaEvent {
 public:
  CudaEvent() { CHECK_CUDA(cudaEventCreate(&event_)); }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;
  ~CudaEvent() { cudaEventDestroy(event_); }

  operator cudaEvent_t() const { return event_; }

  // Once both have been reached; the resolution is half a microsecond
  float milliseconds_since(const CudaEvent& earlier) const {
    float milliseconds = 0;
    CHECK_CUDA(cudaEventElapsedTime(&milliseconds, earlier, *this));
    return milliseconds;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

// A queue of work that the GPU executes in order, concurrently with other streams.
class Stream {
 public:
  explicit Stream(int priority = 0) {
    CHECK_CUDA(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, priority));
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { cudaStreamDestroy(stream_); }

  operator cudaStream_t() const { return stream_; }

  void record(const CudaEvent& event) { CHECK_CUDA(cudaEventRecord(event, stream_)); }
  void wait_for(const CudaEvent& event) { CHECK_CUDA(cudaStreamWaitEvent(stream_, event)); }
  void copy(void* to, const void* from, std::size_t bytes) {
    if (bytes > 0) CHECK_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_));
  }
  void fill(void* memory, int byte, std::size_t bytes) {
    if (bytes > 0) CHECK_CUDA(cudaMemsetAsync(memory, byte, bytes, stream_));
  }
  void synchronize() { CHECK_CUDA(cudaStreamSynchronize(stream_)); }
  bool busy() {
    const cudaError_t status = cudaStreamQuery(stream_);
    if (status == cudaErrorNotReady) return true;
    check(status, "cudaStreamQuery", __FILE__, __LINE__);
    return false;
  }

 private:
  cudaStream_t stream_ = nullptr;
};

}  // namespace ringattn::gpu
