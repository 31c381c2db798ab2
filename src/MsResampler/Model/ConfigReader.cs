namespace MsResampler.Model;

/// <summary>Reads and validates config.json.</summary>
public static class ConfigReader
{
    /// <summary>Parses a configuration.</summary>
    /// <param name="utf8Json">The file's bytes.</param>
    /// <param name="source">The name to put in errors.</param>
    /// <param name="warnings">Receives one sentence per unknown field.</param>
    /// <exception cref="InvalidModelException">A field is missing or wrong; all of them are named.</exception>
    public static ResamplerConfig Read(ReadOnlyMemory<byte> utf8Json, string source, ICollection<string> warnings)
        => throw new NotImplementedException();
}
