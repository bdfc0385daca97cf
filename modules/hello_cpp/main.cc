#include "outpost/main.h"

#include "modules/hello_cpp/hello_module.h"

int main(int argc, char** argv) { return outpost::RunModule<hello_cpp::HelloModule>(argc, argv); }
