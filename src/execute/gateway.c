#include "postgres.h"
#include "execute/gateway.h"
bool inn_gateways_open(InnFlight *flight, const InnOutcomeOfCall *outcome){return false;}
InnFlight *inn_gateway_note_reply(InnClientReply *reply){return NULL;}
void inn_gateways_apply(InnFlight *flight, InnOutcomeOfCall *outcome){}
void inn_gateways_free(InnFlight *flight){}
