#pragma once

#include <memory>

#include "reference/ring/record/recorded_program.h"
#include "reference/strategies/head_exchange.h"
#include "reference/strategies/held_memory.h"

namespace ringattn {

// The names of a pass, and of the tensors that an exchange of heads sends.
struct ExchangeNames {
  std::string_view pass, queries, query_results;
  std::string_view kv_results;  // empty: the pass has no results for keys
};
inline constexpr ExchangeNames usp_forward_names{"forward", "Q", "out lse", ""},
    usp_backward_names{"backward", "Q dO lse row_term", "dQ", "dK dV"};

// One device of USP in one pass. The devices of a group take each part together:
//
//   send_heads     sends the other devices of the group their heads of the own rows
//   join_ring      collects the own heads of all rows of the group, and makes the program for them
//   (the ring)
//   send_results   sends the other devices the results for their rows
//   take_results   collects the results for the own rows
template <class T>
class UspDevice {
 public:
  // _queries_, _kv_: the own rows, all heads
  UspDevice(const ExchangeNames& names, Block<T> queries, Block<T> kv, HeadExchange<T> exchange,
            Recorder& recorder)
      : names_(names),
        queries_(std::move(queries)),
        kv_(std::move(kv)),
        exchange_(std::move(exchange)),
        recorder_(recorder),
        memory_(recorder) {}
  virtual ~UspDevice() = default;

  void send_heads();
  DeviceProgram<T>& join_ring(bool recorded);  // the program calls a decorator in a recorded run
  void send_results();
  void take_results();

  int device() const { return exchange_.group().devices[exchange_.group().place]; }

  // The results for the own rows, all heads; for keys in a backward pass only
  const Block<T>& query_results() const { return query_results_; }
  const Block<T>& kv_results() const { return kv_results_; }

 protected:
  virtual DeviceProgram<T>& make_program(Block<T> queries, Block<T> kv) = 0;
  // The results of that program after the ring
  virtual Block<T> program_query_results() = 0;
  virtual Block<T> program_kv_results() { return {}; }

 private:
  bool has_kv_results() const { return !names_.kv_results.empty(); }

  ExchangeNames names_;
  Block<T> queries_, kv_, query_results_, kv_results_;
  HeadExchange<T> exchange_;
  Recorder& recorder_;
  std::unique_ptr<DeviceProgram<T>> decorator_;
  HeldMemory memory_;
};

// ---- Before the ring -------------------------------------------------------------------

template <class T>
void UspDevice<T>::send_heads() {
  recorder_.begin_run(names_.pass);
  memory_.hold(names_.queries, queries_.bytes());
  memory_.hold("K V", kv_.bytes());
  exchange_.send_heads(Side::queries, names_.queries, queries_);
  exchange_.send_heads(Side::keys, "K V", kv_);
}

template <class T>
DeviceProgram<T>& UspDevice<T>::join_ring(bool recorded) {
  Block<T> queries = exchange_.take_rows(Side::queries, names_.queries, queries_);
  memory_.hold_with_pieces(names_.queries, queries.bytes());
  Block<T> kv = exchange_.take_rows(Side::keys, "K V", kv_);
  memory_.hold_with_pieces("K V", kv.bytes());

  // The program accounts for the collected rows; the own rows are needed no more
  queries_ = {}, kv_ = {};
  memory_.release_all();
  DeviceProgram<T>& program = make_program(std::move(queries), std::move(kv));
  if (!recorded) return program;
  decorator_ = std::make_unique<RecordedProgram<T>>(program, recorder_);
  return *decorator_;
}

// ---- After the ring --------------------------------------------------------------------

template <class T>
void UspDevice<T>::send_results() {
  query_results_ = program_query_results();
  memory_.hold(names_.query_results, query_results_.bytes());
  exchange_.send_rows(Side::queries, names_.query_results, query_results_);
  if (!has_kv_results()) return;
  kv_results_ = program_kv_results();
  memory_.hold(names_.kv_results, kv_results_.bytes());
  exchange_.send_rows(Side::keys, names_.kv_results, kv_results_);
}

template <class T>
void UspDevice<T>::take_results() {
  query_results_ = exchange_.take_heads(Side::queries, names_.query_results, query_results_);
  memory_.hold_with_pieces(names_.query_results, query_results_.bytes());
  if (has_kv_results()) {
    kv_results_ = exchange_.take_heads(Side::keys, names_.kv_results, kv_results_);
    memory_.hold_with_pieces(names_.kv_results, kv_results_.bytes());
  }
  recorder_.record_finalize();
  memory_.release_all();
  recorder_.end_run();
}

}  // namespace ringattn
