using System.Runtime.InteropServices;
using MsResampler.Kernels.Forward;
using MsResampler.Kernels.Forward.Float32;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Tests.Forward;

/// <summary>The weights of models in float32 and tf32 on the device.</summary>
public sealed class Float32WeightsTests
{
    [Test]
    public void A_tf32_model_has_rounded_matrices_and_exact_vectors()
    {
        using TestModel model = new(Configs.Mixed);
        EmulatorDevice device = new();
        using IDeviceStream stream = device.CreateStream();
        using TensorStore store = new(device, stream);
        DeviceLinear[] single = Upload(usesTensorCores: false);
        DeviceLinear[] tensor = Upload(usesTensorCores: true);
        store.Complete();

        using (Assert.EnterMultipleScope())
        {
            for (int layer = 0; layer < single.Length; layer++)
            {
                float[] matrix = Read(single[layer].Weight);
                float[] rounded = [.. matrix.Select(value => BitConverter.UInt32BitsToSingle(Pack.TF32(value)))];
                Assert.That(rounded, Is.Not.EqualTo(matrix), $"layer {layer}");
                Assert.That(Read(tensor[layer].Weight), Is.EqualTo(rounded), $"matrix of layer {layer}");
                Assert.That(Read(tensor[layer].Bias), Is.EqualTo(Read(single[layer].Bias)), $"bias of layer {layer}");
            }
        }

        DeviceLinear[] Upload(bool usesTensorCores)
        {
            var weights = Float32Weights.Upload(store, new ModelLayout(model.Model.Config, sizeof(float)),
                model.Model.Weights, usesTensorCores);
            return [weights.KeyValueInput!.Value, weights.Keys, weights.Values, weights.Outputs,
                weights.GateHidden!.Value, weights.Projection];
        }

        float[] Read(DeviceView view)
        {
            float[] values = new float[view.ByteCount / sizeof(float)];
            stream.Download(new Uploaded(view.Address, view.ByteCount), MemoryMarshal.AsBytes(values.AsSpan()));
            return values;
        }
    }

    private sealed record Uploaded(ulong Address, long ByteCount) : IDeviceMemory
    {
        public void Dispose()
        {
            // The store owns the memory.
        }
    }
}
