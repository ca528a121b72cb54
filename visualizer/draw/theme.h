#pragma once

#include <array>
#include <string_view>

#include "visualizer/draw/color.h"

namespace ringattn::viz {

// The colours of everything. A block has the colour of the device that owns it, everywhere.
struct Theme {
  std::string_view name;

  Color paper;                     // behind the panels
  Color panel;                     // of a panel
  Color raised;                    // of a card or button on a panel
  Color outline;                   // around panels, cards and what is not there yet
  Color ink;                       // text
  Color faint_ink;                 // text of less weight
  Color accent;                    // what is selected, the playhead
  Color wait;                      // hatching of waits
  Color maximum;                   // m
  Color wrong;                     // what is broken
  Color right;                     // what agrees
  Color negative, zero, positive;  // signed numbers

  std::array<Color, 8> identity;  // of the blocks; owner 8 has the colour of owner 0, and stripes

  Color of(int owner) const { return identity[static_cast<std::size_t>(owner) % identity.size()]; }
  static bool striped(int owner) { return owner % 16 >= 8; }
  // Black or white, whichever is read better on _background_
  Color ink_on(Color background) const;
};

// "dark", "light", "contrast"; the first where there is none of that name
const Theme& theme(std::string_view name);
const std::array<Theme, 3>& themes();

}  // namespace ringattn::viz
