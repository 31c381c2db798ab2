namespace MsResampler.Cli;

/// <summary>Something the user gave that cannot be used: the message names it, the cause and the
/// remedy.</summary>
internal sealed class InputException(string message, Exception? inner = null) : Exception(message, inner);
