namespace MsResampler.Cli;

/// <summary>Input from the user is invalid. The message names the input, the cause and the remedy.</summary>
internal sealed class InputException(string message, Exception? inner = null) : Exception(message, inner);
