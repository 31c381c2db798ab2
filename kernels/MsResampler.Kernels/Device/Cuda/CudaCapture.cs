using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>The recording of a graph. Nothing here throws: whatever fails, there is no graph, and nothing is left. The
/// context must be current for every call.</summary>
/// <remarks>Work is recorded on a stream that exists for the recording alone, so that whatever state a failure leaves
/// that stream in, the one that the work is meant for is untouched.</remarks>
internal ref struct CudaCapture
{
    /// <summary>Set to 0, has all work started plainly.</summary>
    public const string Variable = "MSRESAMPLER_CUDA_GRAPHS";

    private bool _isOpen;

    private CudaCapture(nint stream)
    {
        Stream = stream;
        _isOpen = true;
    }

    /// <summary>The stream that records what it is given.</summary>
    public nint Stream { get; }

    /// <summary>Whether drivers of this version can record: those from CUDA 11.4 on.</summary>
    private static bool IsSupported { get; } = CudaLibrary.Exports("cuStreamBeginCapture_v2", "cuStreamEndCapture",
        "cuGraphInstantiateWithFlags", "cuGraphLaunch", "cuGraphDestroy", "cuGraphExecDestroy");

    /// <summary>Begins a recording, which must be disposed on the same thread.</summary>
    /// <returns>Whether work can be recorded.</returns>
    public static bool TryBegin(out CudaCapture capture)
    {
        capture = default;
        if (!IsSupported || Environment.GetEnvironmentVariable(Variable) == "0"
            || CudaNative.CreateStream(out nint stream, CudaNative.NonBlockingStream) != CudaError.CUDA_SUCCESS)
        {
            return false;
        }

        if (CudaNative.BeginCapture(stream, CudaNative.CaptureThreadLocal) != CudaError.CUDA_SUCCESS)
        {
            CudaLibrary.Api.DestroyStream(stream);
            return false;
        }

        capture = new CudaCapture(stream);
        return true;
    }

    /// <summary>Ends the recording.</summary>
    /// <returns>An executable graph of what was recorded, or 0.</returns>
    public nint End()
    {
        nint graph = Close();
        if (graph == 0)
            return 0;
        CudaError error = CudaNative.InstantiateGraph(out nint executable, graph, 0);
        CudaNative.DestroyGraph(graph);
        return error == CudaError.CUDA_SUCCESS ? executable : 0;
    }

    /// <summary>Drops the recording unless it has ended.</summary>
    public void Dispose()
    {
        if (_isOpen && Close() is var graph and not 0)
            CudaNative.DestroyGraph(graph);
        CudaLibrary.Api.DestroyStream(Stream);
    }

    private nint Close()
    {
        _isOpen = false;
        return CudaNative.EndCapture(Stream, out nint graph) == CudaError.CUDA_SUCCESS ? graph : 0;
    }
}
