namespace MsResampler.Cli.Output;

/// <summary>A token is outside the range of the type of the file.</summary>
internal sealed class TokenRangeException(string message) : Exception(message);
