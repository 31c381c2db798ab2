using MsResampler.Kernels.Device;
namespace MsResampler.Kernels.Forward;

/// <summary>What is added to the first columns of rows, float32.</summary>
/// <param name="Table">All rows of it.</param>
/// <param name="Starts">For each row of a product the group of four where its row of the table begins.</param>
/// <param name="Vectors">Groups of four of a row; 0 where nothing is added.</param>
internal readonly record struct RowTable(DeviceView Table, DeviceView Starts, int Vectors);
