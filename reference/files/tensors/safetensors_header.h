#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "reference/files/tensors/tensor_listing.h"

namespace ringattn {

// The header of a safetensors file, a JSON object:
//   {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {"key": "value"}}

// Parses a header. Throws BadInput, with _error_prefix_ at the start of the message, unless the tensors fill the
// _data_bytes_ bytes of data exactly, without gaps or overlaps. So no tensor of the result is larger than the file.
// Offsets are relative to the end of the header, as in the text.
TensorListing parse_header(std::string_view text, std::uint64_t data_bytes, const std::string& error_prefix);

// The inverse of parse_header(), padded with spaces to a multiple of 8 bytes
std::string header_text(const TensorListing& header);

}  // namespace ringattn
