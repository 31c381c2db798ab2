using MsResampler.Kernels.Device.Cuda;
using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Tests of the mock's own rules, each with calls that break one. The primary context of a device of sm_86 is
/// current.</summary>
internal abstract class MockDriverFixture : CudaFixture
{
    private int _ordinal;

    protected nint Context { get; private set; }

    [SetUp]
    public void Open()
    {
        MockDriver.SetDriver(12_040, 2);
        MockDriver.SetDevice(0, "Mock", architecture: 86);
        _ordinal = CudaDevices.Ordinal(0);
        CudaNative.RetainPrimaryContext(out nint context, _ordinal);
        CudaNative.PushContext(context);
        Context = context;
    }

    [TearDown]
    public void Close()
    {
        CudaNative.PopContext(out _);
        CudaNative.ReleasePrimaryContext(_ordinal);
    }

    /// <summary>Performs an action on another thread, in the same context.</summary>
    protected void OnOtherThread(Action action)
    {
        Thread thread = new(() =>
        {
            CudaNative.PushContext(Context);
            action();
            CudaNative.PopContext(out _);
        });
        thread.Start();
        thread.Join();
    }

    /// <summary>Allocates and frees memory.</summary>
    /// <returns>The error of the allocation as a number.</returns>
    protected static int Allocate()
    {
        CudaError error = CudaLibrary.Api.AllocateMemory(out nint memory, 8);
        if (error == CudaError.CUDA_SUCCESS)
            CudaLibrary.Api.FreeMemory(memory);
        return (int)error;
    }
}
