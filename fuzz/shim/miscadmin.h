#define IsUnderPostmaster true
#define IsPostmasterEnvironment true
