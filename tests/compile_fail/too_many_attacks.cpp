// expect: adversarial_propagation: more attacks than a step has parts
// Each attack's domain is a part of the step, beside the clean one.
#include <cstddef>
#include <utility>

#include <advprop/attacks/none.hpp>
#include <advprop/training/methods.hpp>

using namespace advprop;

template <std::size_t>
using no_attack = attack::none;

template <std::size_t... I>
adversarial_propagation<no_attack<I>...> method(std::index_sequence<I...>);

#ifdef CONTROL
using attacks = std::make_index_sequence<15>;
#else
using attacks = std::make_index_sequence<16>;
#endif

static_assert(decltype(method(attacks()))::auxiliaries > 0);
