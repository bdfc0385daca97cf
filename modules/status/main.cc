#include "outpost/main.h"

#include "modules/status/status_module.h"

int main(int argc, char** argv) { return outpost::RunModule<status::StatusModule>(argc, argv); }
