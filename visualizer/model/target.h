#pragma once

#include <string>

namespace ringattn::viz {

// Something that the pointer can select. The same thing is the same target in every panel, so that pointing at it in
// one panel highlights it in all of them.
struct Target {
  enum class Kind { nothing, device, block, event, tile, row, panel, command, time, slider, grid };

  Kind kind = Kind::nothing;
  int a = -1, b = -1;  // device; owner of a block; device and sequence of an event; q_owner and kv_owner; row
  std::string
      command;  // the id of the command that a click runs, the name of a panel, or the parameter of a slider

  explicit operator bool() const { return kind != Kind::nothing; }
  bool operator==(const Target&) const = default;

  static Target device(int d) { return {Kind::device, d, -1, {}}; }
  static Target block(int owner) { return {Kind::block, owner, -1, {}}; }
  static Target event(int device, int sequence) { return {Kind::event, device, sequence, {}}; }
  static Target tile(int q_owner, int kv_owner) { return {Kind::tile, q_owner, kv_owner, {}}; }
  static Target row(int row) { return {Kind::row, row, -1, {}}; }
  static Target panel(std::string name) { return {Kind::panel, -1, -1, std::move(name)}; }
  static Target to_command(std::string id) { return {Kind::command, -1, -1, std::move(id)}; }
  static Target slider(std::string parameter) { return {Kind::slider, -1, -1, std::move(parameter)}; }
  static Target grid() { return {Kind::grid, -1, -1, {}}; }  // the cells of the matrix, below its tiles
  static Target time() { return {Kind::time, -1, -1, {}}; }  // the timeline: a click there moves the playhead
};

}  // namespace ringattn::viz
