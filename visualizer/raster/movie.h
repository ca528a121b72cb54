#pragma once

#include <filesystem>
#include <memory>

#include "visualizer/raster/image.h"

namespace ringattn::viz {

struct MovieOptions {
  int fps = 30;           // of the pictures that come in
  bool pictures = false;  // numbered PNG files instead, whatever the path ends in
  int gif_width = 960;    // a GIF is no wider, and no faster
  int gif_fps = 15;
};

// Makes a movie of pictures of one size: .mp4, .webm or .gif by ffmpeg; or, where the path ends in .png,
// numbered files, name_0000.png and so on. A movie is written whole, or the file stays what it was.
class MovieWriter {
 public:
  // Throws BadInput where the path cannot be written, has no ending that is known, or ffmpeg is missing
  MovieWriter(const std::filesystem::path& path, int width, int height, const MovieOptions& options = {});
  ~MovieWriter();

  // The next picture
  void add(const Image& picture);

  // The movie is complete. Throws BadInput where it could not be made
  void finish();

  int pictures() const { return count_; }
  // Where a picture goes when they are numbered
  std::filesystem::path picture_path(int number) const;

 private:
  struct Encoder;

  std::filesystem::path path_;
  int width_, height_;
  int count_ = 0;
  std::unique_ptr<Encoder> encoder_;  // null: numbered pictures
};

}  // namespace ringattn::viz
