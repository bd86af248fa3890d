// The names that options take, and what each stands for.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <advprop/attacks/attack.hpp>
#include <advprop/attacks/pgd.hpp>
#include <advprop/core/error.hpp>
#include <advprop/data/resize.hpp>
#include <advprop/device/cpu.hpp>
#include <advprop/device/cuda.hpp>
#include <advprop/io/dialect.hpp>
#include <advprop/training/schedule.hpp>

#include "attack.hpp"
#include "method.hpp"

namespace advprop::program {

template <class T>
using choice = std::pair<std::string_view, T>;

inline constexpr auto attack_names =
    std::to_array<choice<chosen_attack::kind>>({{"none", chosen_attack::kind::none},
                                                {"fgsm", chosen_attack::kind::fgsm},
                                                {"ifgsm", chosen_attack::kind::ifgsm},
                                                {"pgd", chosen_attack::kind::pgd},
                                                {"pgd-l2", chosen_attack::kind::pgd_l2},
                                                {"mifgsm", chosen_attack::kind::mifgsm},
                                                {"gd", chosen_attack::kind::gd}});
inline constexpr auto goal_names = std::to_array<choice<attack::goal>>({{"untargeted", attack::goal::untargeted},
                                                                        {"random", attack::goal::random_class},
                                                                        {"least-likely", attack::goal::least_likely}});
inline constexpr auto start_names =
    std::to_array<choice<attack::start>>({{"image", attack::start::image}, {"uniform", attack::start::uniform}});
inline constexpr auto statistics_names =
    std::to_array<choice<statistics>>({{"running", statistics::running}, {"batch", statistics::batch}});
inline constexpr auto norm_names =
    std::to_array<choice<attack::norm>>({{"linf", attack::norm::linf}, {"l2", attack::norm::l2}});
inline constexpr auto method_names =
    std::to_array<choice<chosen_method::kind>>({{"clean", chosen_method::kind::clean},
                                                {"adversarial", chosen_method::kind::adversarial},
                                                {"advprop", chosen_method::kind::advprop}});
/// Of advprop: whether one pass takes all domains.
inline constexpr auto execution_names = std::to_array<choice<bool>>({{"sequential", false}, {"concatenated", true}});
inline constexpr auto schedule_names =
    std::to_array<choice<schedule::shape>>({{"cosine", schedule::shape::cosine},
                                            {"step", schedule::shape::step},
                                            {"constant", schedule::shape::constant},
                                            {"exponential", schedule::shape::exponential},
                                            {"staircase", schedule::shape::staircase}});
inline constexpr auto filter_names = std::to_array<choice<resampling>>({{"bicubic", resampling::bicubic},
                                                                        {"bilinear", resampling::bilinear},
                                                                        {"box", resampling::box},
                                                                        {"lanczos", resampling::lanczos}});
inline constexpr auto dialect_names = std::to_array<choice<dialect>>({{"native", dialect::native},
                                                                      {"timm", dialect::timm},
                                                                      {"torchvision", dialect::torchvision},
                                                                      {"lukemelas", dialect::lukemelas}});
inline constexpr auto convolution_names =
    std::to_array<choice<convolution_policy>>({{"fastest", convolution_policy::fastest},
                                               {"winograd-2", convolution_policy::winograd_2},
                                               {"direct", convolution_policy::direct},
                                               {"gemm", convolution_policy::gemm}});
inline constexpr auto engine_names = std::to_array<choice<engine_choice>>(
    {{"timed", engine_choice::timed}, {"exhaustive", engine_choice::exhaustive}, {"fixed", engine_choice::fixed}});

/// In their order.
std::vector<std::string> names_in(const auto& table) {
  std::vector<std::string> names;
  for (const auto& [name, value] : table) names.emplace_back(name);
  return names;
}

/// Throws `argument_error` naming the option: a recipe's or a checkpoint's value has not been looked at yet.
auto named_in(const auto& table, const char* option, const std::string& name) {
  std::string names;
  for (const auto& [known, value] : table) {
    if (name == known) return value;
    (names += names.empty() ? "" : ", ") += known;
  }
  fail<argument_error>(option, " is ", name, ", must be one of ", names);
}

}  // namespace advprop::program
