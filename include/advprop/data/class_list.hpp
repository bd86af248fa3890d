// Which logit of a network stands for which class folder: ImageNet-A and -R have 200 of a network's 1,000 classes.
#pragma once

#include <string>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/io/file.hpp>

namespace advprop {

/// A text file with a class a line, in the order of the logits. The whole line is the class's name, without white space
/// around it; but of a line that begins with a WordNet id ("n01440764 tench", "n01440764, tench") the id is.
/// Throws `file_error` for a file that cannot be read, an empty line between others, and a class that comes twice.
[[gnu::cold]] ADVPROP_API std::vector<std::string> read_class_list(const std::string& path);

/// The logit of each of the folders' classes, for `top_k`: position i is that of `classes[i]` in `all`. Throws
/// `argument_error`, which begins with `name`, for a class that is not there.
[[gnu::cold]] ADVPROP_API std::vector<int> logits_of(const std::vector<std::string>& classes,
                                                     const std::vector<std::string>& all, const std::string& name);

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/class_list.inl>
#endif
