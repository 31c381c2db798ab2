using System.Numerics;

namespace MsResampler.Kernels.Forward;

/// <summary>A copy of rows within device memory. Source and destination do not overlap.</summary>
/// <param name="Source">The address of the first row.</param>
/// <param name="SourceStride">Bytes from one row of the source to the next.</param>
/// <param name="Destination">The address of the first row of the destination.</param>
/// <param name="DestinationStride">Bytes from one row of the destination to the next.</param>
/// <param name="RowBytes">Bytes of a row. They, the addresses and the strides are multiples of 2.</param>
/// <param name="RowCount">Rows.</param>
internal sealed record RowCopy(ulong Source, long SourceStride, ulong Destination, long DestinationStride,
    long RowBytes, int RowCount)
{
    /// <summary>Starts the copy: a plain one if the rows are contiguous, else a kernel, because the driver may refuse
    /// to copy rows whose strides cuMemAllocPitch did not choose.</summary>
    /// <param name="kernels">The device's kernels.</param>
    /// <param name="stream">A stream of the device.</param>
    /// <param name="device">The device.</param>
    /// <exception cref="DeviceException">The copy could not be started.</exception>
    public void Start(KernelLibrary kernels, IDeviceStream stream, DeviceProperties device)
    {
        if (SourceStride == RowBytes && DestinationStride == RowBytes)
        {
            stream.Copy(Source, Destination, RowBytes * RowCount);
            return;
        }

        // The largest unit that all rows are made of and begin at.
        ulong all = Source | Destination | (ulong)(SourceStride | DestinationStride | RowBytes);
        int unitBytes = 1 << Math.Min(BitOperations.TrailingZeroCount(all), 4);
        new KernelLaunch(CommonKernels.CopyRowsIn(unitBytes), RowWarps.SizeFor(RowCount, device), AddArguments)
            .Start(kernels, stream);

        void AddArguments(ref KernelArguments arguments)
        {
            arguments.Add(new DeviceView(Source, ((RowCount - 1L) * SourceStride) + RowBytes),
                new DeviceView(Destination, ((RowCount - 1L) * DestinationStride) + RowBytes));
            arguments.Add(RowCount, checked((int)(RowBytes / unitBytes)), checked((int)(SourceStride / unitBytes)),
                checked((int)(DestinationStride / unitBytes)));
        }
    }
}
