#pragma once

#include "reference/planner/strategy/counted_program.h"
#include "reference/strategies/usp_device.h"

namespace ringattn {

// The pieces of an exchange of heads without tensors
template <>
Block<NoNumbers> HeadExchange<NoNumbers>::piece_of_heads(Side, const Block<NoNumbers>&, std::size_t) const;
template <>
Block<NoNumbers> HeadExchange<NoNumbers>::piece_of_rows(Side, const Block<NoNumbers>&, std::size_t) const;
template <>
Block<NoNumbers> HeadExchange<NoNumbers>::take_rows(Side, std::string_view, const Block<NoNumbers>&);
template <>
Block<NoNumbers> HeadExchange<NoNumbers>::take_heads(Side, std::string_view, const Block<NoNumbers>&);

}  // namespace ringattn

namespace ringattn::planner {

// A device of USP in a planned pass. _own_: its rows with all heads; _ring_: the programs after the exchange.
class CountedUspDevice : public UspDevice<NoNumbers> {
 public:
  CountedUspDevice(int device, const CountedPass& own, const CountedPass& ring, const PairTable& pairs,
                   HeadExchange<NoNumbers> exchange, Recorder& recorder);

 protected:
  DeviceProgram<NoNumbers>& make_program(Block<NoNumbers>, Block<NoNumbers>) override { return program_; }
  Block<NoNumbers> program_query_results() override;
  Block<NoNumbers> program_kv_results() override;

 private:
  const CountedPass& ring_;
  CountedProgram program_;
};

// The bytes that the device of USP with most holds in a pass: before, during and after the ring
Index peak_bytes_of_usp(const CountedPass& own, const CountedPass& ring);

}  // namespace ringattn::planner
