namespace MsResampler.Kernels;

/// <summary>A device failed, or rejected a request.</summary>
public sealed class DeviceException : Exception
{
    /// <summary>Creates the exception.</summary>
    public DeviceException()
    {
    }

    /// <summary>Creates the exception with a message.</summary>
    public DeviceException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with a message and its cause.</summary>
    public DeviceException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Whether the error is permanent: the context is lost, and every model on the device must be disposed and
    /// loaded again. Otherwise, for example after running out of memory, the model stays usable.</summary>
    public bool IsDeviceLost { get; init; }
}
