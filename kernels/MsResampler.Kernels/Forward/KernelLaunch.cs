namespace MsResampler.Kernels.Forward;

/// <summary>Adds the arguments of a launch in the order of the kernel's parameters.</summary>
internal delegate void ArgumentWriter(ref KernelArguments arguments);

/// <summary>A launch of a kernel with its operands.</summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="Size">Blocks and threads.</param>
/// <param name="AddArguments">Adds the arguments.</param>
internal sealed record KernelLaunch(KernelVariant Kernel, LaunchSize Size, ArgumentWriter AddArguments)
{
    /// <summary>Starts the kernel.</summary>
    /// <param name="kernels">The device's kernels.</param>
    /// <param name="stream">A stream of the device.</param>
    /// <exception cref="DeviceException">The launch failed.</exception>
    public void Start(KernelLibrary kernels, IDeviceStream stream)
    {
        IDeviceKernel kernel = kernels.Get(Kernel);
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel.Kernel);
        AddArguments(ref arguments);
        stream.Launch(kernel, Size, arguments.Bytes);
    }
}
