#ifndef DRIFTD_AGENT_COMMANDS_H
#define DRIFTD_AGENT_COMMANDS_H
/*
 * The command line: one function per subcommand, in agent/command_<name>.c. argv[0] is the subcommand's name.
 * Each returns an exit status: 0 ok, 1 failure, 2 usage, 75 temporary, 78 configuration, and answers --help
 * itself on standard output with status 0.
 */

#include <stdlib.h> /* EXIT_FAILURE */

enum { EXIT_OK = 0, EXIT_USAGE = 2, EXIT_TEMPORARY = 75, EXIT_CONFIGURATION = 78 };

int command_run(int argc, char **argv);
int command_replay(int argc, char **argv);
int command_check(int argc, char **argv);
int command_demo(int argc, char **argv);
int command_compare(int argc, char **argv);
int command_reference(int argc, char **argv);
/* Parts of command_reference that read a store, and the help of all. */
extern const char command_reference_help[];
int command_reference_list(int argc, char **argv);
int command_reference_show(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_results(int argc, char **argv);
int command_status(int argc, char **argv);
int command_alerts(int argc, char **argv);
int command_outbox(int argc, char **argv);
int command_map(int argc, char **argv);
int command_audit(int argc, char **argv);
int command_store(int argc, char **argv);

#endif
