#pragma once

#include <array>
#include <string_view>

#include "visualizer/draw/color.h"

namespace ringattn::viz {

// The colours of the visualizer. A block has the colour of its owner in all panels.
struct Theme {
  std::string_view name;

  Color paper;                     // behind the panels
  Color panel;                     // of a panel
  Color raised;                    // of a card or button on a panel
  Color outline;                   // around panels, cards and future items
  Color ink;                       // text
  Color faint_ink;                 // text of less weight
  Color accent;                    // the selection, the playhead
  Color wait;                      // hatching of waits
  Color maximum;                   // m
  Color wrong;                     // errors
  Color right;                     // correct results
  Color negative, zero, positive;  // signed numbers

  std::array<Color, 8> identity;  // of the blocks by owner mod 8; owners 8 to 15 are striped

  Color of(int owner) const { return identity[static_cast<std::size_t>(owner) % identity.size()]; }
  static bool striped(int owner) { return owner % 16 >= 8; }
  // Of a signed number: saturated at _largest_, and _wrong_ if it is not finite
  Color of_number(double x, double largest) const;
  // Black or white, whichever has more contrast on _background_
  Color ink_on(Color background) const;
};

// "dark", "light", "contrast"; the first theme if the name is unknown
const Theme& theme(std::string_view name);
const std::array<Theme, 3>& themes();

}  // namespace ringattn::viz
