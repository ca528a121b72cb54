#pragma once

#include "reference/ring/programs/forward_program.h"
#include "reference/ring/record/row_recorder.h"

namespace ringattn {

// Decorators that record the run of a program: the block at each step, the results that are accumulated and, for the
// traced rows, the state before and after. The programs themselves record nothing, and a run without recorders uses no
// decorator.

// Records the blocks and results of any program; no rows.
template <class T>
class RecordedProgram : public DeviceProgram<T> {
 public:
  RecordedProgram(DeviceProgram<T>& program, Recorder& recorder)
      : program_(program),
        recorder_(recorder),
        accumulation_(program.description().pass == "forward" ? EventKind::merge : EventKind::grad_hop) {}

  PassDescription description() const override { return program_.description(); }
  Block<T> own_block() override { return program_.own_block(); }
  BlockWork work_with(const Block<T>& resident) const override { return program_.work_with(resident); }
  Block<T> attend(int step, const Block<T>& resident) override;
  void accumulate(int step, Block<T>& result, Block<T> arrived) override;
  void accept_results(Block<T> results) override { program_.accept_results(std::move(results)); }

 protected:
  // Hooks for subclasses, called right before and after the program computes
  virtual void before_attend(int /*step*/, const Block<T>& /*resident*/) {}
  virtual void after_attend(int /*step*/, const Block<T>& /*resident*/, const Block<T>& /*result*/) {}
  virtual void before_accumulate(const Block<T>& /*result*/, const Block<T>& /*arrived*/) {}
  virtual void after_accumulate(int /*step*/, const Block<T>& /*result*/) {}

  Recorder& recorder() { return recorder_; }

 private:
  DeviceProgram<T>& program_;
  Recorder& recorder_;
  EventKind accumulation_;
};

// Forward with K and V rotating: also records the own query rows each time their state absorbs a block.
template <class T>
class RecordedForwardKv : public RecordedProgram<T> {
 public:
  RecordedForwardKv(ForwardProgram<T>& program, const TracedRows& traced, Recorder& recorder)
      : RecordedProgram<T>(program, recorder), forward_(program), rows_(traced, program.rows()) {}

 protected:
  void before_attend(int step, const Block<T>& resident) override;
  void after_attend(int step, const Block<T>& resident, const Block<T>& result) override;

 private:
  ForwardProgram<T>& forward_;
  RowRecorder<T> rows_;
};

// Forward with Q rotating: also records the resident query rows. At step 0 their state absorbs the own keys; at later
// steps the arrived state is merged with the state computed on this device.
template <class T>
class RecordedForwardQ : public RecordedProgram<T> {
 public:
  RecordedForwardQ(ForwardProgram<T>& program, const RingConfig& config, const TracedRows& traced, int device,
                   Recorder& recorder)
      : RecordedProgram<T>(program, recorder),
        forward_(program),
        config_(config),
        traced_(traced),
        device_(device) {}

 protected:
  void before_attend(int step, const Block<T>& resident) override;
  void after_attend(int step, const Block<T>& resident, const Block<T>& result) override;
  void before_accumulate(const Block<T>& result, const Block<T>& arrived) override;
  void after_accumulate(int step, const Block<T>& result) override;

 private:
  // A recorder for the traced rows among the queries of _owner_
  RowRecorder<T> rows_of(int owner) const;

  ForwardProgram<T>& forward_;
  const RingConfig& config_;
  const TracedRows& traced_;
  int device_;
  RowRecorder<T> rows_;  // of the resident queries; without rows between two updates
};

// ---- Any pass --------------------------------------------------------------------

template <class T>
Block<T> RecordedProgram<T>::attend(int step, const Block<T>& resident) {
  const BlockWork work = program_.work_with(resident);
  recorder_.begin_compute(step, resident.owner, name(work.mask_class), work.live_pairs);
  before_attend(step, resident);
  Block<T> result = program_.attend(step, resident);
  recorder_.end_compute();
  after_attend(step, resident, result);
  return result;
}

template <class T>
void RecordedProgram<T>::accumulate(int step, Block<T>& result, Block<T> arrived) {
  before_accumulate(result, arrived);
  program_.accumulate(step, result, std::move(arrived));
  recorder_.record_accumulation(accumulation_, step, result.owner);
  after_accumulate(step, result);
}

}  // namespace ringattn
