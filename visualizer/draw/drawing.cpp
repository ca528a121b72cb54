#include "visualizer/draw/drawing.h"

namespace ringattn::viz {

const Element* Drawing::at(Point point) const {
  const Element* top = nullptr;
  for (const Element& element : elements) {
    if (element.rect.contains(point) && (!top || element.layer >= top->layer)) top = &element;
  }
  return top;
}

}  // namespace ringattn::viz
