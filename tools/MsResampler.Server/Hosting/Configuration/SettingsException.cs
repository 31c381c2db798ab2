namespace MsResampler.Server.Hosting.Configuration;

/// <summary>The server cannot start with its settings. The message is for the terminal of the operator: it names the
/// setting, what was expected and what was found.</summary>
internal sealed class SettingsException(string message, Exception? innerException = null)
    : Exception(message, innerException);
