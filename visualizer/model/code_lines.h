#pragma once

#include <string_view>
#include <vector>

#include "visualizer/model/moment.h"

namespace ringattn::viz {

// A function of the engine, from a piece of text that its file has once to the brace in the first column.
struct CodeFunction {
  std::string_view name, file, begins;
};

// Lines of a function that belong to something that a device does.
struct CodeMark {
  const CodeFunction* function;
  std::string_view snippet;  // occurs once in the file; whole lines, but for the blanks before the first
};

// Lines that are highlighted at a moment, and the event that lights them.
struct CodeLine {
  const CodeMark* mark;
  EventId event;
  bool under_way = false;  // the device has gone on, the message has not yet arrived
};

// Where the program of a device is at a moment, from the ring loop inwards
std::vector<CodeLine> highlighted_lines(const Recording& recording, const Moment& moment, int device);

// The ring loop, which is shown whatever happens
const CodeFunction& ring_loop();

// All that can be highlighted
std::vector<const CodeMark*> code_marks();

// Lines of a text, counted from 0
struct LineRange {
  int begin = 0, end = 0;
};

// The lines of the one place where _snippet_ stands in _text_; empty where there is none or more than one
LineRange lines_of_snippet(std::string_view text, std::string_view snippet);

// From the line that it begins on to its closing brace
LineRange lines_of_function(std::string_view text, const CodeFunction& function);

}  // namespace ringattn::viz
