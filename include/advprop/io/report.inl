// The definitions of report.hpp (core/linkage.hpp).
#pragma once

#include <string>

#include <advprop/io/report.hpp>

namespace advprop {

ADVPROP_API std::string report_html(const report& r) {
  using namespace html;
  palette colors;
  const bool several = r.runs.size() > 1;
  std::string body = "<header>" + element("h1", "", escape(r.title)) +
                     (r.subtitle.empty() ? "" : element("p", "lead", escape(r.subtitle))) + results(r) + tables(r) +
                     "</header>\n";

  // Learning curves come first in the palette, so that "clean" has the first colour.
  std::string learning =
      charts(r, &run_report::losses, {"Training loss", "epoch", scale::number, true, {}, {}}, colors) +
      charts(r, &run_report::accuracies, {"Accuracy", "epoch", scale::fraction, false, {}, {}}, colors);
  learning += learning_rate(r);
  const std::string attacked = charts(
      r, &run_report::robustness, {"Accuracy against ε", "ε, pixels of 255", scale::fraction, true, {}, {}}, colors);
  if (several || learning.empty()) {
    body += section("Accuracy under attack", "How many images are still recognised when they may change by ε.",
                    grid(attacked));
    body += section("Learning curves", "", grid(learning));
  } else {
    body += section("Learning and robustness", "", grid(attacked + learning));
  }

  std::string galleries, matrices, mistaken;
  std::string maps = several ? heat_figure(compared_errors(r), "Mean of the severities") : "";
  for (const auto& run : r.runs) {
    const std::string heading = (several ? run.name + ": " : "") + run.pictures.attack;
    if (!run.pictures.rows.empty())
      galleries += (heading.empty() ? "" : element("h3", "", escape(heading))) + pictures(run.pictures);
    if (!run.confusion.classes.empty())
      matrices += confusion_figure(run.confusion, several ? run.name : "Test images by true and predicted class");
    maps += heat_figure(run.corruption_errors, several ? run.name : "Error, %");
    for (picture_group g : run.mistakes) {
      if (several) g.title = run.name + ": " + g.title;
      mistaken += thumbnails(g);
    }
  }
  body += section("Corrupted images", "The share of images that are mistaken, in %, by corruption and severity.",
                  grid(maps));
  body += section("What the corruptions look like", r.samples.title, thumbnails({"", r.samples.pictures}));
  body += section("The surest mistakes", "Images that the network gets wrong with the greatest confidence.", mistaken);
  body += section("What an attack does",
                  "The perturbation is drawn around grey, magnified; the network's answer stands under each image.",
                  galleries);
  if (!matrices.empty()) matrices += mistakes(r);
  body += section("Which classes are confused",
                  "Right answers in blue, mistakes in orange; each row is one true class.", grid(matrices));
  body += section("Settings", "", settings(r));
  std::string notes;
  for (const auto& n : r.notes) notes += element("p", "", escape(n));
  body += section("Notes", "", notes);

  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\" />\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
         "img-src data:\" />\n"
         "<title>" +
         escape(r.title) + "</title>\n<style>" + std::string(style) + series_style() + "</style>\n</head>\n<body>\n" +
         body + "</body>\n</html>\n";
}

}  // namespace advprop
