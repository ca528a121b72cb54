#include "reference/oracle/measured/device_names.h"

#include <algorithm>

#include "reference/oracle/verdict/boxes.h"

namespace ringattn {

namespace {

std::vector<Index> others(const std::vector<Index>& devices, Index own) {
  std::vector<Index> result;
  for (const Index device : devices)
    if (device != own) result.push_back(device);
  return result;
}

// "device 2", "steps 1..3"; _direction_: 1 if blocks of keys come from the device t places before, -1 for queries
std::string list_text(const std::vector<Index>& of, Index own, Index devices, Index direction,
                      DeviceNaming naming) {
  std::vector<Index> numbers = of;
  if (naming == DeviceNaming::step)
    for (Index& device : numbers) device = (direction * (own - device) + devices) % devices;
  std::sort(numbers.begin(), numbers.end());
  return numbered_text(naming == DeviceNaming::step ? "step" : "device", numbers);
}

}  // namespace

std::string blocks_text(const std::vector<Index>& owners, Index own, const std::vector<Index>& met,
                        Index devices, DeviceNaming naming) {
  const std::vector<Index> foreign = others(owners, own);
  std::string text = foreign.size() < owners.size() ? "their own block" : "";
  if (foreign.empty()) return text;
  if (!text.empty()) text += " and ";
  if (foreign.size() > 1 && foreign == others(met, own)) return text + "all other blocks";
  return text + (foreign.size() == 1 ? "the block of " : "the blocks of ") +
         list_text(foreign, own, devices, 1, naming);
}

std::string queries_text(const std::vector<Index>& of, Index own, const std::vector<Index>& met,
                         Index devices, DeviceNaming naming) {
  const std::vector<Index> foreign = others(of, own);
  std::string text = foreign.size() < of.size() ? "the queries of their own device" : "";
  if (foreign.empty()) return text;
  if (!text.empty()) text += " and ";
  if (foreign.size() > 1 && foreign == others(met, own)) return text + "the queries of all other devices";
  return text + "the queries of " + list_text(foreign, own, devices, -1, naming);
}

}  // namespace ringattn
