// Names only, for users' own headers.
#pragma once

namespace advprop {

class cpu;
class domain;
class loader;
class random_stream;
class routing;
struct dataset;
struct pass;
struct shape;
enum class share;
enum class wrt;

}  // namespace advprop
