namespace MsResampler.Kernels;

/// <summary>A device refused or failed.</summary>
public sealed class DeviceException : Exception
{
    /// <summary>Creates the exception.</summary>
    public DeviceException()
    {
    }

    /// <summary>Creates the exception with what failed.</summary>
    public DeviceException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with what failed and why.</summary>
    public DeviceException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Whether the device failed for good: what was loaded on it must be disposed and loaded anew. Otherwise, as
    /// when memory runs out, it can be used further.</summary>
    public bool IsDeviceLost { get; init; }
}
