namespace MsResampler.Safetensors;

/// <summary>Bytes that are not valid safetensors.</summary>
public class SafetensorsException : Exception
{
    /// <summary>Creates the error.</summary>
    public SafetensorsException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
