#pragma once

#include <string_view>
#include <vector>

#include "visualizer/model/moment.h"

namespace ringattn::viz {

// A function of the engine. _begins_ is code that occurs once in the file; the function ends at the next closing brace
// in the first column.
struct CodeFunction {
  std::string_view name, file, begins;
};

// A statement of a function that performs one action of a device.
struct CodeMark {
  const CodeFunction* function;
  std::string_view snippet;  // code that occurs once in the file; white space and comments do not matter
};

// A statement that is highlighted at a moment, and the event that highlights it.
struct CodeLine {
  const CodeMark* mark;
  EventId event;
  bool under_way = false;  // the device has continued, but the message has not arrived yet
};

// The statements that a device executes at a moment, from the loop of the pass inwards
std::vector<CodeLine> highlighted_lines(const Recording& recording, const Moment& moment, int device);

// The function that is always shown: the ring loop, or what differs from a ring
const CodeFunction& code_of_strategy(const Recording& recording);

// All statements that can be highlighted
std::vector<const CodeMark*> code_marks();

// A range of lines of a text, counted from 0
struct LineRange {
  int begin = 0, end = 0;
};

// The lines of the only occurrence of _snippet_ in _text_, compared without white space and // comments. Empty if there
// is no occurrence or more than one
LineRange lines_of_snippet(std::string_view text, std::string_view snippet);

// From the first line of the function to its closing brace. Empty if the function is not found
LineRange lines_of_function(std::string_view text, const CodeFunction& function);

}  // namespace ringattn::viz
