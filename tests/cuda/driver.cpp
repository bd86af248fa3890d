// A driver without a GPU, for cuDNN's planner: engines that are compiled for a fused convolution want to load what they
// made. Every other function of the driver says that it is a stub (the other source file, made from the toolkit's).
extern "C" {

static char something[64];

static int load(void** to) {
  *to = something;
  return 0;
}
int cuLibraryLoadData(void** library) { return load(library); }
int cuLibraryGetKernel(void** kernel) { return load(kernel); }
int cuLibraryGetModule(void** module) { return load(module); }
int cuKernelGetFunction(void** function) { return load(function); }
int cuModuleLoadData(void** module) { return load(module); }
int cuModuleLoadDataEx(void** module) { return load(module); }
int cuModuleGetFunction(void** function) { return load(function); }
int cuLibraryUnload() { return 0; }
int cuModuleUnload() { return 0; }
int cuKernelSetAttribute() { return 0; }
int cuFuncSetAttribute() { return 0; }
int cuFuncLoad() { return 0; }

static int none(int* value) {
  *value = 0;
  return 0;
}
int cuFuncGetAttribute(int* value) { return none(value); }
int cuKernelGetAttribute(int* value) { return none(value); }
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* count) {
  *count = 1;
  return 0;
}
int cuOccupancyMaxActiveClusters(int* count) {
  *count = 1;
  return 0;
}
int cuGetErrorString(int, const char** text) {
  *text = "there is no driver";
  return 0;
}
int cuGetErrorName(int, const char** text) {
  *text = "no driver";
  return 0;
}
}
